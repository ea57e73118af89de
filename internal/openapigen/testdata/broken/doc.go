// Package broken has an annotation that cannot be read.
//
// @title broken
// @version 1
package broken

// broken refers to a type that is not there.
//
// @Summary Broken
// @Success 200 {object} missing
// @Router /broken [get]
func broken() {}
