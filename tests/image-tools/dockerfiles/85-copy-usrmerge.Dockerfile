FROM localhost/base
RUN mkdir -p /usr/lib && ln -s usr/lib /lib && mkdir /r
FROM localhost/base AS files
RUN mkdir -p /r/lib/x && echo y >/r/lib/x/y
FROM localhost/base
RUN mkdir -p /usr/lib && ln -s usr/lib /lib
COPY --from=files /r/ /
