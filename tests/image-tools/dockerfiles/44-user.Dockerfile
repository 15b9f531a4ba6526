FROM localhost/base
USER www
RUN id -u >/tmp/id && id -g >>/tmp/id && touch /tmp/mine
USER 1234:4321
RUN id -u >/tmp/id2 && id -g >>/tmp/id2
USER www:extra
