package integration

import (
	"bytes"
	"context"
	"fmt"

	"github.com/orgbridge/orgbridge/internal/seal"
)

// resealBatch is how many integrations are read at once to be sealed anew.
const resealBatch = 100

// SealedStore is what sealing the stored keys anew needs. It sees the integrations of all accounts.
type SealedStore interface {
	// SealedOtherwise returns integrations whose key does not begin with the prefix, in order of account, after one of them.
	SealedOtherwise(ctx context.Context, prefix []byte, after string, limit int) ([]Integration, error)
	// ReplaceSealedKey stores the same key sealed anew, unless the stored one is another by now.
	ReplaceSealedKey(ctx context.Context, in Integration, sealed []byte) error
	// SealedSamples returns one integration for each sealing key that stored keys are sealed with.
	SealedSamples(ctx context.Context) ([]SealedSample, error)
	// DiscardKey gives a stored key up and has a person asked for it, unless the stored one is another by now.
	DiscardKey(ctx context.Context, in Integration) error
}

// Resealed is what became of the stored keys.
type Resealed struct {
	Keys int
	// Unreadable are accounts whose key cannot be opened, and stays as it is.
	Unreadable []string
}

// Reseal seals all stored keys with the primary key of the keyset that do not begin with its prefix. It can be interrupted anywhere, and
// called again; each key can be opened all the time. Progress is called, if given, with how many of all have been gone through.
func Reseal(
	ctx context.Context, store SealedStore, keyset *seal.Keyset, primary []byte, progress func(done, total int),
) (done Resealed, err error) {
	total, err := sealedOtherwise(ctx, store, primary)
	if err != nil {
		return done, err
	}
	report := func(gone int) {
		if progress != nil {
			progress(gone, max(gone, total))
		}
	}
	report(0)
	after := ""
	for {
		batch, err := store.SealedOtherwise(ctx, primary, after, resealBatch)
		if err != nil || len(batch) == 0 {
			return done, err
		}
		for i := range batch {
			after = batch[i].AccountID
			if err := done.reseal(ctx, store, keyset, batch[i]); err != nil {
				return done, err
			}
			report(done.Keys + len(done.Unreadable))
		}
	}
}

// reseal seals one key.
func (done *Resealed) reseal(ctx context.Context, store SealedStore, keyset *seal.Keyset, in Integration) error {
	apiKey, err := keyset.Open(in.SealedKey, keyOwner(in))
	if err != nil {
		done.Unreadable = append(done.Unreadable, in.AccountID)
		return nil //nolint:nilerr // it is noted, and the others go on
	}
	sealed, err := keyset.Seal(apiKey, keyOwner(in))
	if err != nil {
		return err
	}
	if err := store.ReplaceSealedKey(ctx, in, sealed); err != nil {
		return fmt.Errorf("account %s: %w", in.AccountID, err)
	}
	done.Keys++
	return nil
}

// sealedOtherwise counts the stored keys that do not begin with the prefix.
func sealedOtherwise(ctx context.Context, store SealedStore, prefix []byte) (keys int, err error) {
	samples, err := store.SealedSamples(ctx)
	for i := range samples {
		if !bytes.HasPrefix(samples[i].SealedKey, prefix) {
			keys += samples[i].Keys
		}
	}
	return keys, err
}
