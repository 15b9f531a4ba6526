FROM localhost/base
ONBUILD ADD . /app/src
ONBUILD RUN make "x y"
