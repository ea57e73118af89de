package store_test

import (
	"os"
	"testing"

	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
