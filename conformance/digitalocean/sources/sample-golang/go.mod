module example.com/sample-golang

go 1.19
