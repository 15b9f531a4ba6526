FROM localhost/base
VOLUME /data /var/lib/x
VOLUME ["/with space", "/json"]
