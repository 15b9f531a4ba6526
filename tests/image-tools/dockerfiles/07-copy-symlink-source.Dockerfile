FROM localhost/base
COPY link-to-file /followed
COPY link-to-dir /followed-dir/
