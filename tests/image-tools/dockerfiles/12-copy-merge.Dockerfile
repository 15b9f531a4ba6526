FROM localhost/base
RUN mkdir -p /m/sub && echo kept >/m/sub/kept && echo old >/m/a.txt
COPY dir /m
