FROM localhost/base
RUN mkdir /gone && echo x >/gone/x && echo y >/y
RUN rm -r /gone && rm /y && rm /etc/group && mkdir /gone2
