FROM localhost/base AS a
RUN mkdir /real && echo x >/real/f && ln -s real /alias && ln -s real/f /file
FROM localhost/base
COPY --from=a /alias /o1/
COPY --from=a /file /o2
COPY --from=a /alias/f /o3/
