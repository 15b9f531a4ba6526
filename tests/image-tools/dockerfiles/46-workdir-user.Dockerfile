FROM localhost/base
USER www
WORKDIR /home/www/made
COPY plain.txt .
RUN pwd >/tmp/pwd
