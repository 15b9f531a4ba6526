FROM localhost/base AS build
RUN mkdir -p /out/sub && echo built >/out/app && echo more >/out/sub/more && chmod 750 /out/sub
FROM localhost/base
COPY --from=build /out /opt/
COPY --from=build /out/app /bin/app
