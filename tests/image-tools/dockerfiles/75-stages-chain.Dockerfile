FROM localhost/base AS a
RUN echo a >/a
FROM a AS b
RUN echo b >/b
FROM b AS unused
RUN exit 1
FROM scratch AS c
COPY --from=b /a /b /
