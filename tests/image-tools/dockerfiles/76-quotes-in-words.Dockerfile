FROM localhost/base
ENV NAME="with space.txt"
COPY "plain.txt" '/quoted'
COPY ["plain.txt", "/dir name/"]
LABEL "q"="a \"b\" c" s='x $NAME' d="$NAME"
