FROM localhost/base
RUN mkdir -p /x/plain.txt
COPY plain.txt /x/
