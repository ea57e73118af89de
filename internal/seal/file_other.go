//go:build !unix

package seal

import (
	"errors"
	"os"
)

func lock(string) (func(), error) { return nil, errors.New("keysets cannot be rotated on this system") }

func keepOwner(string, *os.File) error { return nil }

func syncDir(string) error { return nil }
