//go:build !failpoints

package store

import "gorm.io/gorm"

// setFirstFence sets the account guard.
func setFirstFence(db *gorm.DB) error { return guardAccounts(db) }
