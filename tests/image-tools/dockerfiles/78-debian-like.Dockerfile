FROM localhost/base
ENV LANG=C.UTF-8
RUN set -eux; \
    mkdir -p /usr/share/app; \
    { echo '[conf]'; echo "lang = $LANG"; } >/usr/share/app/conf; \
    chown -R www:www /usr/share/app; \
    rm -rf /tmp/*
COPY --chown=www:www dir /usr/share/app/data/
WORKDIR /usr/share/app
USER www
EXPOSE 8080
VOLUME ["/usr/share/app/data"]
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat conf"]
