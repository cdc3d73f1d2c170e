#!/bin/busybox sh
# The first program of the initramfs: finds the disk and hands over to /sbin/init on it.
/bin/busybox mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
  /bin/busybox insmod /modules/$module.ko
done
/bin/busybox mount -t ext4 -o ro /dev/vda /disk || exec /bin/busybox poweroff -f
/bin/busybox mount --move /dev /disk/dev
exec /bin/busybox switch_root /disk /sbin/init
