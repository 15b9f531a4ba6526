FROM localhost/base
CMD echo "hello $HOME" && true
