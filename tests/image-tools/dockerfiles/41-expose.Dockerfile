FROM localhost/base
ARG P=9000
EXPOSE 80 443/tcp 53/udp $P
EXPOSE 80
