#!/bin/busybox sh
# The only service of the machine: sets up what a node has, runs the suite, and switches the machine off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/opt/busybox HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -o ro /dev/vdb /suite
# Other modules load by themselves when they are first needed. Of these two the second user fails while the first waits.
modprobe -a veth nf_tables
# Would make two devices by itself.
modprobe ifb numifbs=0
ip link set lo up
stty -F /dev/ttyS1 raw
cd /tmp
node --enable-source-maps /suite/suite.mjs >/dev/ttyS1 2>/dev/console
poweroff -f
