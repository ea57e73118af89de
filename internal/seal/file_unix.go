//go:build unix

package seal

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock keeps other processes from rotating the same file, until this one lets go of it or ends. What is locked is a file beside it, since
// the file itself is replaced.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the file that the operator names
	if err != nil {
		return nil, fmt.Errorf("lock the keyset: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(errors.New("the keyset is being rotated by another process"), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the keyset: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// keepOwner gives a file the owner of another one: root may rotate the keyset of a service.
func keepOwner(of string, file *os.File) error {
	info, err := os.Stat(of)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// syncDir has a new name on the disk.
func syncDir(path string) error {
	dir, err := os.Open(path) //nolint:gosec // that of the file that the operator names
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
