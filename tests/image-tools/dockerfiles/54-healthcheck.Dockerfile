FROM localhost/base
HEALTHCHECK --interval=5m --timeout=3s --start-period=10s --retries=2 CMD wget -q http://localhost/ || exit 1
