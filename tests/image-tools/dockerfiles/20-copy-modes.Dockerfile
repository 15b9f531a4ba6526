FROM localhost/base
COPY modes /modes/
