/// The job types that the tests' systems run.
enum TestJobs {
  /// None: the types come from workers in Swift.
  static let swift = "queues: {download: {capacity: 200}}\n"

  static let configuration = """
    queues:
      compute: {capacity: 2}
    groups:
      files: {queue: compute, description: Work on files}
    types:
      - name: checksum
        group: files
        params: {path: ""}
        command: [sha256sum, "{path}"]
      - name: note
        group: files
        params: {number: 0}
        command: [sh, -c, 'echo "$WARREN_JOB_ID" >> "$FOLDER/notes"']
        environment: {FOLDER: "%FOLDER%"}
      - name: sleep
        group: files
        params: {seconds: "1000"}
        command: [sh, -c, 'echo "$WARREN_JOB_ID $$" >> "$FOLDER/starts"; exec sleep "$0"', "{seconds}"]
        environment: {FOLDER: "%FOLDER%"}
        timeout: 300s
      - name: answer
        group: files
        params: {seconds: "1"}
        command: [sh, -c, 'echo "$WARREN_JOB_ID $$" >> "$FOLDER/starts"; sleep "$0"; echo "slept $0"', "{seconds}"]
        environment: {FOLDER: "%FOLDER%"}
      - name: short
        group: files
        command: [sh, -c, 'echo "+ $WARREN_JOB_ID $WORKER_NAME" >> "$FOLDER/executions"; sleep 0.05; echo "- $WARREN_JOB_ID" >> "$FOLDER/executions"']
        environment: {FOLDER: "%FOLDER%"}
      - name: stubborn
        group: files
        command: [sh, -c, 'trap "" TERM; echo "$WARREN_JOB_ID $$" >> "$FOLDER/starts"; while :; do sleep 1; done']
        environment: {FOLDER: "%FOLDER%"}
        suspendable: true
        grace: 60s
      - name: hold
        group: files
        command: [sh, -c, 'echo "+ $WORKER_NAME" >> "$FOLDER/slots"; sleep 0.1; echo "- $WORKER_NAME" >> "$FOLDER/slots"']
        environment: {FOLDER: "%FOLDER%"}
      - name: late
        group: files
        command: [sleep, "1000"]
        timeout: 500ms
      - name: count
        group: files
        params: {to: 10}
        suspendable: true
        command:
          - sh
          - -c
          - |
            # A step is made and saved, or neither, whenever the signal comes.
            trap 'stop=143' TERM
            n=0
            if [ -n "$WARREN_SNAPSHOT" ]; then n=$(tr -dc 0-9 < "$WARREN_SNAPSHOT"); fi
            while [ -z "$stop" ] && [ "$n" -lt "$0" ]; do
              sleep 0.1
              n=$((n + 1))
              echo "$n" >> "$FOLDER/counted"
              echo '{"snapshot": '"$n"'}' >> "$WARREN_REPORT"
            done
            exit "${stop:-0}"
          - "{to}"
      - name: broken
        group: files
        command: [sh, -c, 'echo "no luck" >&2; exit 3']
        max_retries: 1
        retry_delay: 700ms
    """
}
