# What the guests' build scripts share. Source it first: a build that is up to date ends right here.
#
# Needs: $here, the folder of the guest; $1, the image to write.

set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin

output=$(realpath -m -- "${1:?usage: build OUTPUT.qcow2}")
stamp=$(cd "$here" && find . ../lib.bash -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [[ -e $output && -e $output.stamp && $(<"$output.stamp") == "$stamp" ]]; then
    echo "${output##*/}: up to date"
    exit
fi

mkdir -p "${output%/*}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$output".new.*' EXIT

# Install the Debian packages that are missing.
need() {
    local missing=()
    for package; do
        [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>&-) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    refresh
    quietly apt-get install -y --no-install-recommends "${missing[@]}"
}

# Read the package lists, once, where apt has none.
refresh() {
    apt-cache show linux-image-cloud-amd64 &>/dev/null || quietly apt-get update
}

# Run a command; show what it says only when it fails.
quietly() {
    "$@" &>"$scratch/log" || { cat "$scratch/log" >&2; return 1; }
}

# Unpack Debian's current cloud kernel into $scratch/kernel, without installing it.
unpack_kernel() {
    refresh
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')
    (cd "$scratch" && quietly apt-get download -o APT::Sandbox::User=root "$package")
    dpkg -x "$scratch/$package"_*.deb "$scratch/kernel"
}

# initrd MODULE...: pack $scratch/tree, with busybox and these kernel modules in /modules, as $scratch/initrd.
initrd() {
    local tree=$scratch/tree
    mkdir -p "$tree"/{bin,dev,modules,proc,sys}
    cp /bin/busybox "$tree/bin"
    (cd "$tree/bin" && busybox --list | grep -vx busybox | xargs -n 1 ln -s busybox)
    for module; do
        find "$scratch/kernel/lib" -name "$module.ko" -exec cp -t "$tree/modules" {} +
    done
    (cd "$tree" && find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0) | gzip -9n >"$scratch/initrd"
}

# boot_disk COMMAND_LINE: make the raw disk $scratch/disk, 32 MiB that boot by themselves: an MBR and a FAT16
# partition with syslinux, the unpacked kernel and $scratch/initrd. No mount, no loop device.
boot_disk() {
    local disk=$scratch/disk start=$((1 << 20))
    truncate -s 32M "$disk"
    sfdisk -q "$disk" <<<'start=1MiB, type=6, bootable'
    dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
    mkfs.vfat -F 16 -s 4 --offset $((start / 512)) "$disk" $((31 << 10)) >/dev/null
    printf 'default linux\nlabel linux\nkernel linux\ninitrd initrd\nappend %s\n' "$1" >"$scratch/syslinux.cfg"
    mcopy -i "$disk@@$start" "$scratch"/kernel/boot/vmlinuz-* ::linux
    mcopy -i "$disk@@$start" "$scratch/initrd" "$scratch/syslinux.cfg" ::
    syslinux --install --offset "$start" "$disk"
}

# finish [-c]: turn $scratch/disk into the image, compressed on wish, all at once, and say so.
finish() {
    local new=$output.new.$$
    qemu-img convert "$@" -f raw -O qcow2 "$scratch/disk" "$new"
    mv "$new" "$output"
    echo "$stamp" >"$output.stamp"
    echo "${output##*/}: $(($(stat -c %s "$output") / 1000)) kB"
}
