FROM localhost/base AS build
RUN mkdir /out && echo x >/out/x && chown -R 1000:2000 /out && chmod 4755 /out/x
FROM localhost/base
COPY --from=build /out /kept/
COPY --from=build --chown=7:8 /out /changed/
