FROM localhost/base
COPY hidden /hidden/
