FROM localhost/base
COPY --chown=1234:5678 dir /numbers/
COPY --chown=www:extra plain.txt /names
COPY --chown=1000:1000 plain.txt /made/for/it
