FROM localhost/base
COPY h* /x/
