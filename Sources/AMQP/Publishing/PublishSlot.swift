/// A publication's place in its batch.
struct PublishSlot {
  let batch: PublishBatch
  let index: Int
}
