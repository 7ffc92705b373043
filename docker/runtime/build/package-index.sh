# shellcheck shell=sh
# Sourced: where packages come from, as the host has it. Nothing of this reaches an image.
#   secret `ca`     a CA bundle, for hosts whose proxy answers with certificates of its own
#   secret `index`  lines NAME=VALUE for pip and uv (PIP_INDEX_URL, UV_DEFAULT_INDEX, UV_INDEX, ...)
# Lines are exported, not evaluated: an address may hold any sign.

if [ -s /run/secrets/index ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        case "$line" in
            [A-Z]*=*) export "${line?}" ;;
            '' | '#'*) ;;
            *) echo "secret 'index': a line is not NAME=VALUE" >&2; exit 64 ;;
        esac
    done < /run/secrets/index
fi

# One address is enough: what is given for one of the two tools holds for the other.
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
if [ -n "$index" ]; then
    export UV_DEFAULT_INDEX="$index" PIP_INDEX_URL="${PIP_INDEX_URL:-$index}"
fi

if [ -s /run/secrets/ca ]; then
    export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca REQUESTS_CA_BUNDLE=/run/secrets/ca
fi

unset PIP_CONSTRAINT UV_CONSTRAINT # some base images pin packages of their own, which are not used here
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
