package oidc

import "time"

// SetPause sets the least time between two looks at the provider's keys.
func (a *Authenticator) SetPause(pause time.Duration) { a.keys.pause = pause }
