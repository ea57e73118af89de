package integration

import (
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
// called again; each key can be opened all the time.
func Reseal(ctx context.Context, store SealedStore, keyset *seal.Keyset, primary []byte) (done Resealed, err error) {
	after := ""
	for {
		batch, err := store.SealedOtherwise(ctx, primary, after, resealBatch)
		if err != nil || len(batch) == 0 {
			return done, err
		}
		for i := range batch {
			after = batch[i].AccountID
			apiKey, err := keyset.Open(batch[i].SealedKey, keyOwner(batch[i]))
			if err != nil {
				done.Unreadable = append(done.Unreadable, after)
				continue
			}
			sealed, err := keyset.Seal(apiKey, keyOwner(batch[i]))
			if err != nil {
				return done, err
			}
			if err := store.ReplaceSealedKey(ctx, batch[i], sealed); err != nil {
				return done, fmt.Errorf("account %s: %w", after, err)
			}
			done.Keys++
		}
	}
}
