FROM localhost/base
WORKDIR /srv/app
COPY plain.txt .
COPY dir sub
COPY script.sh ./bin/
