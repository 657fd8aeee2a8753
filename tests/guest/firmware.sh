#!/bin/bash
# SeaBIOS and OVMF boot from a served disk (docs/frontends.md has the table). By default one boot, by the
# driver that hangs most easily; ZB_CELLS=all has all of them (boots.sh).
. "$(dirname "$0")/host.sh"
[ -z "${ZB_PEER:-}" ] || skip "only with a served disk"
needs_server
. "$here/../../scripts/lib/common.sh"
. "$here/../../scripts/lib/packages.sh"
. "$here/../../scripts/lib/suite.sh"
zb_install "${zb_packages_lab[@]}"
. "$here/../../scripts/lib/lab.sh"
zb_lab_prepare
shopt -s nullglob
vmlinuz=("$zb_kernel"/boot/vmlinuz*)
[ "${#vmlinuz[@]}" -eq 1 ] || give_up "the lab has a kernel with an EFI stub" "$(ls "$zb_kernel/boot")"

# One image for both: a FAT file system, whose boot sector greets by the serial port and reads 64 sectors
# behind the reserved ones. UEFI's shell runs startup.nsh, which starts a Linux kernel of 12 MB.
image=$work/image
truncate -s 48M "$image"
mkfs.vfat -F 32 "$image" >/dev/null
mcopy -i "$image" "${vmlinuz[0]}" ::/linux
printf 'fs0:\r\n\\linux console=ttyS0 earlyprintk=ttyS0 panic=-1\r\n' | mcopy -i "$image" - ::/startup.nsh
cat >"$work/boot.s" <<'ASM'
.code16
start:
    jmp begin
    .space 0x5A - 2             # the file system's description stays
begin:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7C00, %sp
    mov $greeting, %si
    call print
    mov $packet, %si
    mov $0x42, %ah              # extended read, from the drive in DL
    int $0x13
    mov $bad, %si
    jc 1f
    mov $good, %si
1:  call print
2:  hlt
    jmp 2b
print:
    push %dx                    # DL is the drive
4:  lodsb
    test %al, %al
    jz 3f
    mov $0x3F8, %dx
    out %al, %dx
    jmp 4b
3:  pop %dx
    ret
packet:   .byte 16, 0, 64, 0; .word 0, 0x1000; .quad 64
greeting: .asciz "the boot sector runs\n"
good:     .asciz "64 sectors were read\n"
bad:      .asciz "64 sectors were not read\n"
ASM
as --32 -o "$work/boot.o" "$work/boot.s" && ld -m elf_i386 -Ttext 0x7C00 -e 0x7C00 --oformat binary -o "$work/boot.bin" "$work/boot.o" ||
  give_up "the boot sector is assembled"
# Only the jump and the code: the bytes between describe the file system.
dd if="$work/boot.bin" of="$image" bs=1 count=2 conv=notrunc status=none
dd if="$work/boot.bin" of="$image" bs=1 skip=90 seek=90 count=$(($(stat -c %s "$work/boot.bin") - 90)) conv=notrunc status=none

# boot NAME FIRMWARE MACHINE DEVICE MODEL: serves the image and waits for its sign of life.
boot() {
  local name=$1 firmware=$2 machine=$3 device=$4 model=$5 virtio=blk sign='Linux version' end pid
  local suite=bookworm-backports arguments=() served=$work/served.zb
  [[ $device != vhost-user-scsi* ]] || virtio=scsi
  [[ $device != vhost-user-test* ]] || suite=trixie-backports
  if [ "$suite" = trixie-backports ] && ! ZONEBRIDGE_QEMU_SUITE=$suite "$here/run" --prepare >"$work/newer" 2>&1; then
    skipped "$name" "no QEMU from $suite: $(tail -n 1 "$work/newer")"
    return
  fi
  rm -f "$served"
  case $model in
    none) "$zonebridge" create "$served" --size 64M --model none >/dev/null ;;
    *) "$zonebridge" create "$served" --size 128M --zone-size 4M --conventional 16 --model "$model" >/dev/null ;;
  esac
  "$zonebridge" write "$served" --offset 0 --input "$image" >/dev/null
  start_server server --virtio "$virtio" --socket "$socket" "emulated:$served"
  case $firmware in
    seabios) sign='64 sectors were read' ;;
    ovmf)
      cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars"
      arguments=(-drive "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
        -drive "if=pflash,format=raw,file=$work/vars") ;;
  esac
  : >"$work/console"
  (
    # shellcheck disable=SC2030
    export ZONEBRIDGE_QEMU_SUITE=$suite
    . "$here/../../scripts/lib/lab.sh"
    zb_lab_qemu -nodefaults -no-user-config -no-reboot -display none -machine "$machine,memory-backend=ram" \
      -accel "${ZONEBRIDGE_ACCEL:-tcg,thread=multi}" -cpu max -smp 2 -m 1G \
      -object memory-backend-memfd,id=ram,size=1G,share=on "${arguments[@]}" -serial "file:$work/console" \
      -chardev "socket,id=disk,path=$socket" -device "$device"
  ) >"$work/qemu" 2>&1 </dev/null &
  guest=$! pid=$!
  end=$((SECONDS + 120))
  until grep -aq "$sign" "$work/console" || [ "$SECONDS" -ge "$end" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
  if grep -aq "$sign" "$work/console"; then
    pass "$name"
  else
    fail "$name" "the serial console:" "$(tail -c 400 "$work/console" | tr -d '\033')" "QEMU: $(cat "$work/qemu")" \
      "the server: $(tail -n 5 "$work/server.log")"
  fi
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  guest=''
  stop_server
}

modern=disable-legacy=on
# The legacy driver of UEFI, on a conventional PCI slot.
boot "OVMF, a transitional virtio-scsi disk" ovmf pc vhost-user-scsi-pci,chardev=disk none
[ "${ZB_CELLS:-}" = all ] || finish
for firmware in ovmf seabios; do
  for model in none host-aware; do
    boot "$firmware, virtio-scsi, $model" "$firmware" q35 "vhost-user-scsi-pci,chardev=disk,$modern" "$model"
    boot "$firmware, virtio-blk, $model" "$firmware" q35 "vhost-user-blk-pci,chardev=disk,$modern" "$model"
    boot "$firmware, vhost-user-test-device, $model" "$firmware" q35 \
      "vhost-user-test-device-pci,chardev=disk,virtio-id=2,num_vqs=1,vq_size=256,config_size=96" "$model"
  done
  boot "$firmware, a transitional virtio-blk disk" "$firmware" pc vhost-user-blk-pci,chardev=disk none
done
boot "seabios, a transitional virtio-scsi disk" seabios pc vhost-user-scsi-pci,chardev=disk none
finish
