FROM localhost/base
MAINTAINER Some One <one@example.com>
