FROM localhost/base
RUN for i in 1 2 3; do echo "$i \$i '$i'" >>/out; done; echo /etc/p* >>/out
