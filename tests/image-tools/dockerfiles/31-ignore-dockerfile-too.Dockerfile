FROM localhost/base
COPY dir /d/
