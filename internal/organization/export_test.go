package organization

import (
	"context"
	"time"
)

// SetPatience changes how long IT Glue is waited for.
func (s *Service) SetPatience(d time.Duration) {
	s.patience = func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
}
