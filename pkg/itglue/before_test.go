package itglue_test

import (
	"context"
	"errors"
	"testing"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestNothingIsSentAfterARefusalBefore(t *testing.T) {
	t.Parallel()
	server := itgluetest.StartTB(t)
	server.AddKey("ITG.key")
	ended, asked := errors.New("ended"), 0
	client, err := itglue.New(itglue.Config{BaseURL: server.URL, APIKey: "ITG.key", Before: func(context.Context) error {
		asked++
		if asked > 1 {
			return ended
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CountOrganizations(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := client.CountOrganizations(t.Context()); !errors.Is(err, ended) || server.CallCount() != 1 {
		t.Errorf("%v after %d calls", err, server.CallCount())
	}
}
