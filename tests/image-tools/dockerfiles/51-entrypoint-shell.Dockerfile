FROM localhost/base
ENTRYPOINT exec echo $HOME
