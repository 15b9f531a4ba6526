FROM localhost/base
COPY ["with space.txt", "plain.txt", "/to here/"]
