# Debian 12 packages by purpose, and installing those that are missing. Sourced by the other scripts.

# What goes in front of a command that needs root.
as_root=()
if [ "$(id -u)" != 0 ] && command -v sudo > /dev/null; then
    as_root=(sudo)
fi

packages_build=(g++ cmake ninja-build ccache pkg-config lld libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev libpcap-dev
    libtomlplusplus-dev libsqlite3-dev libssl-dev libisal-dev libcli11-dev libfmt-dev zlib1g-dev catch2 ipxe)
packages_run=(libpcap0.8 libisal2)
# A diskless PC and the system disk that it boots.
packages_pc=(python3 iproute2 qemu-system-x86 ipxe-qemu busybox-static cpio zstd open-iscsi grub-common grub-pc-bin grub-efi-amd64-bin mtools
    gdisk dosfstools e2fsprogs)
# Independent programs that the tests compare with.
packages_test=(ovmf qemu-utils qemu-block-extra libiscsi-bin 7zip tftp-hpa atftp tgt isc-dhcp-client udhcpc curl jq sqlite3 chromium
    chromium-driver multipath-tools sg3-utils open-isns-server open-isns-utils xz-utils bzip2 python3-libvhdi)

# install_missing PACKAGE...: apt-get, only for what is not there.
install_missing() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && [ ${#as_root[@]} = 0 ]; then
        echo "Install these packages as root, then try again: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${#missing[@]} packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq < /dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" < /dev/null > /dev/null
}
