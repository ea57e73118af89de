// Package precondition has a write depend on what it is about being still as its caller saw it. The condition travels in the context, and
// is checked in the transaction that writes, under the locks that keep others from changing it.
package precondition

import "context"

type contextKey[T any] struct{}

// With returns a context under which a write to a T is made only if check, which is given the T as it is then, answers no error. Check
// may be called more than once.
func With[T any](ctx context.Context, check func(T) error) context.Context {
	return context.WithValue(ctx, contextKey[T]{}, check)
}

// Check answers the error of the context's condition on a T, if it has one, for the T that load returns.
func Check[T any](ctx context.Context, load func() (T, error)) error {
	check, ok := ctx.Value(contextKey[T]{}).(func(T) error)
	if !ok {
		return nil
	}
	current, err := load()
	if err != nil {
		return err
	}
	return check(current)
}
