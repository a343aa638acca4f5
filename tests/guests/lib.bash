# What the guests' build scripts share. Source it first: a build that is up to date ends right here.
#
# Needs $here, the folder of the guest, and $1, the image to write.

set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin

output=$(realpath -m -- "${1:?usage: build OUTPUT.qcow2}")
stamp=$(cd "$here" && find . ../lib.bash -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
up_to_date() { [[ -e $output && -e $output.stamp && $(<"$output.stamp") == "$stamp" ]]; }

# One build at a time: two of them would be in each other's way at apt.
up_to_date || { exec 9>/tmp/kvmstack-guests.lock && flock 9; }
if up_to_date; then
    echo "${output##*/}: up to date"
    exit
fi
mkdir -p "${output%/*}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$output.new"' EXIT

# Run a command; show what it says only when it fails.
quietly() {
    "$@" &>"$scratch/log" || { cat "$scratch/log" >&2; return 1; }
}

# Ask apt-get; where the package lists are missing or old, read them anew and ask again.
get() {
    local ask=(apt-get -y --no-install-recommends -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=300)
    "${ask[@]}" "$@" &>/dev/null || { quietly "${ask[@]}" update && quietly "${ask[@]}" "$@"; }
}

# Install the Debian packages that are missing.
need() {
    local missing=()
    for package; do
        [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>&-) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]} == 0)) || get install "${missing[@]}"
}

# Unpack Debian's current cloud kernel into $scratch/kernel, without installing it.
unpack_kernel() {
    cd "$scratch"
    get download linux-image-cloud-amd64
    local package
    package=$(dpkg -f linux-image-cloud-amd64_*.deb Depends | cut -d ' ' -f 1)
    get download "$package"
    dpkg -x "$package"_*.deb kernel
    cd "$OLDPWD"
}

# Pack $scratch/tree, with busybox and the kernel modules named on stdin in /modules, as $scratch/initrd.
initrd() {
    local tree=$scratch/tree
    mkdir -p "$tree"/{bin,dev,modules,proc,sys}
    cp /bin/busybox "$tree/bin"
    (cd "$tree/bin" && busybox --list | grep -vx busybox | xargs -n 1 ln -s busybox)
    while read -r module; do
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
    quietly mkfs.vfat -F 16 -s 4 --offset $((start / 512)) "$disk" $((31 << 10))
    printf 'default linux\nlabel linux\nkernel linux\ninitrd initrd\nappend %s\n' "$1" >"$scratch/syslinux.cfg"
    mcopy -i "$disk@@$start" "$scratch"/kernel/boot/vmlinuz-* ::linux
    mcopy -i "$disk@@$start" "$scratch/initrd" "$scratch/syslinux.cfg" ::
    syslinux --install --offset "$start" "$disk"
}

# finish [-c]: turn $scratch/disk into the image, compressed on wish, all at once, and say so.
finish() {
    qemu-img convert "$@" -f raw -O qcow2 "$scratch/disk" "$output.new"
    mv "$output.new" "$output"
    echo "$stamp" >"$output.stamp"
    echo "${output##*/}: $(($(stat -c %s "$output") / 1000)) kB"
}
