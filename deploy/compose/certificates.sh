#!/bin/sh
# Makes what the compose file's Kong needs: a CA, a client's certificate that it
# issued, and the repository's kong.yaml with that CA in it.
#
# usage: certificates.sh KONG_YAML KEYS CONFIG UPSTREAM [MORE]
#
#   KONG_YAML  the repository's kong.yaml
#   KEYS       folder for certificates and keys: cert.pem, key.pem (the CA's),
#              client.pem, client.key, and the CA Certificate's id
#   CONFIG     folder for kong.yaml, the only one that Kong sees
#   UPSTREAM   URL of the service in kong.yaml
#   MORE       what is put behind it: the pre-function, for Kong without Lua files
#
# Certificates and id are made when there are none or they are over within a
# day; kong.yaml is written each time. What fails ends it with an error,
# and Kong is not started.
set -eu
[ $# = 4 ] || [ $# = 5 ] || { echo "usage: $0 KONG_YAML KEYS CONFIG UPSTREAM [MORE]" >&2; exit 2; }
kong_yaml=$1 keys=$2 config=$3 upstream=$4 more=${5-}
umask 077

fresh() {
  for certificate in cert.pem client.pem; do
    openssl x509 -in "$keys/$certificate" -noout -checkend 86400 >/dev/null 2>&1 || return 1
  done
  [ -s "$keys/id" ]
}

make_certificates() {
  cd "$keys"
  rm -f cert.pem key.pem client.pem client.key id
  openssl req -x509 -newkey rsa:4096 -keyout key.pem -out cert.pem -sha256 -days 365 -nodes \
    -subj '/C=US/ST=California/L=San Francisco/O=Kong/OU=Org/CN=www.example.com'
  openssl req -new -newkey rsa:2048 -keyout client.key -out client.csr -sha256 -nodes \
    -subj '/CN=client'
  # Without extensions it would be a certificate of X.509 version 1.
  printf '%s\n' 'basicConstraints = critical, CA:FALSE' \
    'keyUsage = critical, digitalSignature' \
    'extendedKeyUsage = clientAuth' \
    'subjectAltName = DNS:client.example.com' >client.ext
  openssl x509 -req -in client.csr -CA cert.pem -CAkey key.pem -CAcreateserial -sha256 -days 90 \
    -extfile client.ext -out client.pem
  rm -f client.csr client.ext ./*.srl
  cat /proc/sys/kernel/random/uuid >id
}

if fresh; then
  echo 'the certificates of an earlier start are used'
else
  echo 'making certificates'
  (make_certificates)
fi

# The id of the CA in the repository's kong.yaml gives way to this one's, and so
# does the certificate, which is the last thing in the file.
id=$(cat "$keys/id")
old=$(sed -n 's/^- id: //p' "$kong_yaml")
[ -n "$old" ] || { echo "$kong_yaml has no ca_certificates with an id" >&2; exit 1; }
{
  sed -e "s#http://127.0.0.1:1027#$upstream#" -e "s/$old/$id/" -e '/^  cert: |/,$d' "$kong_yaml"
  echo '  cert: |'
  sed 's/^/    /' "$keys/cert.pem"
  if [ -n "$more" ]; then cat "$more"; fi
} >"$config/kong.yaml.new"
# Kong's own user reads it.
chmod 0644 "$config/kong.yaml.new"
mv "$config/kong.yaml.new" "$config/kong.yaml"
