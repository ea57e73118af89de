package integration

import (
	"context"
	"errors"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/seal"
)

// SealedSample is an integration that stands for all whose keys are sealed with the same sealing key.
type SealedSample struct {
	Integration

	Keys int // how many there are
}

// Examined says how many of the stored keys a keyset opens, and how many it does not.
type Examined struct {
	Readable   int
	Unreadable int
	// Foreign says that the keyset is not the one of this database: there are keys, and none is sealed with one of its.
	Foreign bool
}

// Examine tries a keyset on the stored keys, on one for each sealing key: it is as quick for thousands of accounts, and holds while keys
// are being rotated.
func Examine(ctx context.Context, store SealedStore, keyset *seal.Keyset) (found Examined, err error) {
	samples, err := store.SealedSamples(ctx)
	found.Foreign = len(samples) > 0
	for i := range samples {
		if _, err := keyset.Open(samples[i].SealedKey, keyOwner(samples[i].Integration)); err != nil {
			found.Unreadable += samples[i].Keys
		} else {
			found.Readable += samples[i].Keys
		}
		found.Foreign = found.Foreign && !keyset.Knows(samples[i].SealedKey)
	}
	return found, err
}

// Discard gives up the stored keys that the keyset cannot open, and returns their accounts. It changes nothing unless it is confirmed.
func Discard(ctx context.Context, store SealedStore, keyset *seal.Keyset, confirmed bool) (accounts []string, err error) {
	after := ""
	for {
		batch, err := store.SealedOtherwise(ctx, []byte{}, after, resealBatch)
		if err != nil || len(batch) == 0 {
			return accounts, err
		}
		for i := range batch {
			after = batch[i].AccountID
			if _, err := keyset.Open(batch[i].SealedKey, keyOwner(batch[i])); err == nil {
				continue
			}
			if confirmed {
				if err := store.DiscardKey(ctx, batch[i]); err != nil {
					return accounts, err
				}
			}
			accounts = append(accounts, after)
		}
	}
}

// errForeignKeyset is behind the [errs.Unavailable] of a key that is not sealed.
var errForeignKeyset = errors.New("no stored IT Glue key is sealed with this keyset: it is not the one of this database")

// sealKey seals a key for its integration. It answers [errs.Unavailable] when the keyset cannot be read, since what is sealed with a key
// that is only in memory is lost with the process, and when it is not the one of this database, since nobody could open what it seals.
func (s *Service) sealKey(ctx context.Context, apiKey string, in Integration) ([]byte, error) {
	sealed, err := s.Keyset.Seal(apiKey, keyOwner(in))
	if err == nil {
		err = s.vouch(ctx, sealed)
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable,
			"The IT Glue key cannot be sealed by this server. Its operator has to look at the keyset.").Because(err)
	}
	return sealed, nil
}

// vouch refuses what was sealed with a key of another database's keyset. The database is asked once for each sealing key.
func (s *Service) vouch(ctx context.Context, sealed []byte) error {
	mark := string(seal.Mark(sealed))
	if s.vouched.Load() == mark {
		return nil
	}
	found, err := Examine(ctx, s.Sealed, s.Keyset)
	if err != nil {
		return err
	}
	if found.Foreign {
		return errForeignKeyset
	}
	if found.Readable > 0 {
		s.vouched.Store(mark)
	}
	return nil
}
