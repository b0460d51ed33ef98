# Counts at its terminal, and answers to what is typed. No child processes: only what the shell itself can do.
beat=0
while :; do
  beat=$((beat + 1))
  echo "beat $beat"
  if read -r -t 0.1 line; then
    [ "$line" = "end" ] && break
    echo "heard $line at $beat"
  fi
done
echo "ended after $beat"
