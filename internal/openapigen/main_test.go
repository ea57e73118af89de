package main
import ("testing";"fmt")
func TestX(t *testing.T){ b,err:=generate("testdata/api"); if err!=nil{t.Fatal(err)}; fmt.Println(string(b))}
