FROM localhost/base
RUN echo old >/target && ln -s target /l && ln -s nowhere /dangling
COPY plain.txt /l
COPY plain.txt /dangling
